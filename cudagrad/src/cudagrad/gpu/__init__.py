"""Does cudagrad work on this machine's GPU, and how fast is it beside torch?

    python -m cudagrad.gpu --out DIR

    environment  versions, processor, GPU
    spec         the checks: parity's spec, large and awkward shapes, NVIDIA's compute-sanitizer
    step         the training steps and products that compute-sanitizer watches
    cases        what is measured, each written once for cudagrad and torch alike
    contestant   cudagrad's side of the cases
    rivals       torch's side, imported only if torch is there
    timing       medians of interleaved runs, measured by events
    ceilings     the speed of a copy and of a matrix product here, to compare figures with
    measuring    from cases to figures; impossible figures are refused
    page         the figures as Markdown

It also runs on the emulator, at small sizes: every figure says what it was measured on.
"""
