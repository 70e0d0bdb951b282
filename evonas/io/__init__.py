"""What goes to the disk, to people and to other processes, in forms that are safe. Standard library and numpy only.

`atomic` writes whole files or none, `marked_files` leaves other people's files alone, `npz` reads arrays without
pickle, `printable` is text without control characters, `console` writes it for people, `batch_streams` hands batches
to another process, `closing` is for what is closed at the end of a `with` block.
"""
