"""Training text far larger than memory and disk: read, labeled, tokenized and packed while it is trained on.

Position ``k`` of a `TextStream` is a function of the files, the batch size, the settings and the seed alone: not of the number of
processes, nor of where a run was interrupted.

The files are divided among *lanes* (`lanes`), each of which fills its own places of every batch. A lane reads some of its files
side by side (`reader`), labels the documents (`labels`), packs them, and gives sequences in blocks that it shuffles (`lane`). To
resume, it begins at the block that the checkpoint was made in, from a state that is saved with the checkpoint (`states`).
"""
