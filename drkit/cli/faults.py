"""Errors of the machine (disk, memory, files) as one line; any other exception is a bug."""

import errno

from drkit.errors import DrkitError, InputError, readable

NO_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EROFS)
REMEDIES = {
    errno.ENOSPC: "free some space, or choose another folder",
    errno.EDQUOT: "free some space within your quota, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "allow more open files, e.g. with ulimit -n 4096",
    errno.ENOENT: "it has been removed, or its folder does not exist",
}
MEMORY_WORDS = ("out of memory", "can't allocate memory", "insufficient memory", "failed to allocate")


def as_refusal(error: Exception) -> DrkitError | None:
    """Turn an error of the machine into one line with advice; None for any other exception.

    Args:
        error: The exception that ended the command.
    """
    if isinstance(error, OSError) and error.errno and (error.filename or error.errno in NO_FILES):
        path = readable(str(error.filename)) if error.filename else "a file"
        remedy = REMEDIES.get(error.errno, "check what prevents access to it")
        return InputError(f"{path}: {error.strerror}: {remedy}")
    if isinstance(error, MemoryError) or any(word in str(error).lower() for word in MEMORY_WORDS):
        reason = str(error).strip().partition("\n")[0] or "MemoryError"
        return InputError(f"not enough memory ({reason}): choose a smaller size, smaller batches or fewer --workers")
    if isinstance(error, UnicodeEncodeError) and any("\udc80" <= letter <= "\udcff" for letter in str(error.object)):
        return InputError(f"a file name is not UTF-8: {readable(str(error.object))}: rename the file")
    return None
