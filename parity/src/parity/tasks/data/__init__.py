"""Where the tasks' data comes from: files of the user's, downloads, and a shop that is made up."""
