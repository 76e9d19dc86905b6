"""Which names are junk: what operating systems, network drives, notebooks and big-data tools leave beside the data.

Whoever lists a folder asks here, so that no such name becomes a class, a picture, a record file or a model.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

# In small letters. What begins with a dot is junk anyway: `.DS_Store`, `._cat.jpg`, `.ipynb_checkpoints`.
_NAMES = frozenset(
    {
        # Windows
        *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$recycle.bin", "recycler"),
        "system volume information",
        # macOS
        *("__macosx", "icon\r", "desktop db", "desktop df", "network trash folder", "temporary items"),
        "thevolumesettingsfolder",
        # Linux, Python, viewers
        *("lost+found", "__pycache__", "picasa.ini", "zbthumbnail.info"),
        # Synology and QNAP
        *("@eadir", "@tmp", "@sharebin", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@__thumb"),
        # Hadoop, Spark, Delta Lake
        *("_success", "_temporary", "_metadata", "_common_metadata", "_delta_log"),
    }
)
_PREFIXES = (".", "_committed_", "_started_", "~$", "synofile_thumb_")
_SUFFIXES = ("~", "_$folder$", ".sagemaker-uploading", ".sagemaker-uploaded", ".crdownload", ".partial")


def is_junk(path: str | PurePath) -> bool:
    """Return whether a path, relative to the folder that is listed, is junk or lies in a junk folder."""
    return any(_is_junk_name(part) for part in PurePath(path).parts)


def _is_junk_name(name: str) -> bool:
    folded = name.casefold()
    return folded in _NAMES or folded.startswith(_PREFIXES) or folded.endswith(_SUFFIXES)


def files(folder: Path, with_junk: bool = False) -> Iterator[Path]:
    """Yield the files below a folder, in the order of their names; links are followed, junk folders are not entered.

    Junk files come only `with_junk`. The folder itself may have any name.
    """
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(each for each in folders if not _is_junk_name(each) and not _loops(root, each))
        yield from (Path(root, each) for each in sorted(names) if with_junk or not _is_junk_name(each))


def _loops(root: str, name: str) -> bool:
    """Return whether a folder is a link to one above it, which would never end."""
    path = Path(root, name)
    return path.is_symlink() and Path(root).resolve().is_relative_to(path.resolve())
