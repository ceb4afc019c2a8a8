"""The lists of common words that zxcvbn brings along, without the rest of it.

Its own modules, once imported, keep all of them: as lists, and again as dictionaries, in 12 MiB.
"""

from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec


def word_list(name: str) -> list[str]:
    """The words of one list, the most common first. Read anew each time, which takes 10 ms.

    Raises: ImportError where zxcvbn is not installed; KeyError for no list of its.
    """
    package = find_spec("zxcvbn")  # this does not import it
    folder = package.submodule_search_locations if package else None
    found = PathFinder.find_spec("frequency_lists", folder) if folder else None
    if found is None or found.loader is None:
        raise ImportError("zxcvbn's lists are missing: reinstall with requirements.txt")
    lists = module_from_spec(found)
    found.loader.exec_module(lists)
    return list(lists.FREQUENCY_LISTS[name])
