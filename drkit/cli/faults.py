"""What the machine refused a command: its disk, its memory, its files; all else that goes wrong is a bug."""

import errno

from drkit.errors import DrkitError, InputError, readable

NO_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS)
REMEDIES = {
    errno.ENOSPC: "make room on that disk, or choose another folder",
    errno.EDQUOT: "make room within your quota, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "see who may read and write it",
    errno.EPERM: "see who may read and write it",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files, as with ulimit -n 4096",
    errno.ENOENT: "it was removed meanwhile, or its folder is not there",
}
MEMORY_WORDS = ("out of memory", "can't allocate memory", "insufficient memory", "failed to allocate")


def as_refusal(error: Exception) -> DrkitError | None:
    """The line that tells what the machine refused; None where the error is not the machine's.

    Args:
        error: What ended the command.
    """
    if isinstance(error, OSError) and error.errno and (error.filename or error.errno in NO_FILES):
        what = readable(str(error.filename)) if error.filename else "a file"
        remedy = REMEDIES.get(error.errno, "see what keeps it from being read or written")
        return InputError(f"{what}: {error.strerror}: {remedy}")
    if isinstance(error, MemoryError) or any(word in str(error).lower() for word in MEMORY_WORDS):
        reason = str(error).strip().partition("\n")[0] or "MemoryError"
        return InputError(f"not enough memory ({reason}): choose a smaller size, smaller batches or fewer --workers")
    if isinstance(error, UnicodeEncodeError) and any("\udc80" <= letter <= "\udcff" for letter in str(error.object)):
        return InputError(f"a name is not UTF-8: {readable(str(error.object))}: rename it")
    return None
