"""What a machine with a GPU should tell: is all right there, and how fast is it beside torch.

    python -m cudagrad.gpu --out DIR

    environment  versions, processor, GPU
    spec         parity's, and shapes large and awkward; NVIDIA's own checks of training steps
    step         those steps
    cases        what is measured: each written once, for cudagrad and torch alike
    contestant   cudagrad's side
    rivals       torch's side, imported only if torch is there
    timing       medians of interleaved runs, between events
    ceilings     what a copy and a matrix product reach here, of which figures are fractions
    measuring    cases into figures; those that cannot be are refused
    page         the figures as Markdown

It runs whole on the emulator too, at small sizes: every figure says what it was measured on.
"""
