"""Safe output to the disk, to terminals and to other processes. Imports the standard library and numpy only.

`atomic` writes files completely or not at all, `marked_files` never overwrites other people's files, `npz` reads arrays
without pickle, `printable` escapes control characters, `console` writes text to terminals, `batch_streams` sends
batches to another process, `closing` closes objects at the end of a `with` block.
"""
