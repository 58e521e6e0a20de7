"""What every Python that `tidemark profile -- COMMAND` starts reads first: it lies on PYTHONPATH.

Once PyTorch uses CUDA, its allocator's history is recorded, and written at the end as PID.pickle into the folder of
traces. The program runs as it would without: nothing here raises, CUDA starts no sooner, and a sitecustomize of its
own is read, too.
"""
import importlib.machinery
import importlib.util
import os
import sys


def complain(why):
    print(f"tidemark: cannot record PyTorch's allocations: process {os.getpid()}: {why}", file=sys.stderr)


def write_snapshot(memory, process, path):
    if os.getpid() != process:  # a fork of the process that is recorded
        return
    try:
        memory._dump_snapshot(path + ".part")
        os.rename(path + ".part", path)
    except Exception as error:
        complain(error)


def record(memory, folder):
    """What PyTorch calls when CUDA has started and nothing is allocated yet."""
    import atexit

    try:
        memory._record_memory_history(enabled="all", stacks="python")
        process = os.getpid()
        atexit.register(write_snapshot, memory, process, os.path.join(folder, f"{process}.pickle"))
    except Exception as error:
        complain(error)


class Watch:
    """Finds torch.cuda as the other finders do, and goes."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if name != "torch.cuda" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        try:
            specs = (finder.find_spec(name, path, target) for finder in sys.meta_path)
            spec = next(spec for spec in specs if spec)
            self.follow(spec.loader)
            return spec
        except Exception as error:
            complain(error)
            return None  # the other finders are asked as ever

    def follow(self, loader):
        execute = loader.exec_module

        def exec_module(module):
            del loader.exec_module
            execute(module)
            try:
                module._lazy_call(lambda: record(module.memory, self.folder))
            except Exception as error:
                complain(error)

        loader.exec_module = exec_module


def read_next():
    """The sitecustomize that this one hides."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if os.path.abspath(place) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec:
        sys.modules["sitecustomize"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


if "TIDEMARK_INJECT_FOLDER" in os.environ:
    sys.meta_path.insert(0, Watch(os.environ["TIDEMARK_INJECT_FOLDER"]))
read_next()
