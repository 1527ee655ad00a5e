"""`python -m tests.support.bars [FOLDER]`: measure sizes and words of the code; tests/unit/test_words.py bounds them.

Counted are the three packages; a room is a folder. A bound name is an argument or a variable that is assigned.
"""

import ast
import re
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

PACKAGES = ("pipeline", "worker", "training")
EMPTY_NAMES = frozenset({"one", "ones", "told", "said", "kept", "shown", "made", "asked", "looked", "given", "taken"})
"""variable names that do not say what they hold"""
QUESTION_OPENINGS = re.compile(r"(What|Which|How|Whether|Where|Why|When|Who)\b")
Function = ast.FunctionDef | ast.AsyncFunctionDef
# Verbs that functions of ours begin with, in their base form.
VERBS = frozenset(
    """
    abandon accept account accumulate acknowledge acquire add adjust admit advance aggregate align allocate allow
    amend annotate announce answer append apply archive are arrange ask assemble assert assess assign attach
    authenticate average await backup balance begin bin bind blend block blur book boot bound break bring broadcast
    bucket buffer build bump cache calculate calibrate call can cancel cap capture carry cast catch center change
    charge check choose claim classify clean clear clip clone close collapse collate collect combine commit compare
    compile complain complete compose compress compute concatenate configure confine confirm connect consider
    construct consume contain continue convert copy correct count cover crash create crop cross cut cycle deal
    decide decode decompress decorate deduplicate defer define degrade delay delegate delete deliver demand deny
    deposit derive describe deserialize detach detect determine diff digest disable disagree discard disconnect
    discover dispatch display distribute divide do download downscale drain draw drop dump duplicate edit embed emit
    empty enable encode end enlarge enqueue ensure enter enumerate escape estimate evaluate evict examine exceed
    exclude execute exhaust exit expand expect expire explain export expose extend extract fail fall feed fetch fill
    filter find finish fit fix flag flatten flip flush fold follow forbid force forget fork format forward frame
    free freeze gather generate get give go grade greet ground group grow guard guess halt halve handle handles has
    hash have help hide hold identify ignore import improve include increment index infer inflate inherit init
    initialize inject insert inspect install instantiate integrate interleave interpolate interrupt intersect invert
    invoke is isolate issue iterate jitter join judge keep kill label launch lay lead learn leave lend let lift
    limit link list listen load locate lock log look lookup loop lose lower make manage map mark mask match matter
    may mean measure meet memoize merge migrate mirror mix mock modify monitor move multiply must name narrow need
    normalize note notify number observe obtain occur offer omit open order outline overlap overlay override own
    pack pad paint pair parse pass paste patch pause peek perform permute persist pick pin ping place plan play plot
    point poll pop populate post predict prepare preserve press preview print probe process produce profile project
    promote propagate protect prove provide prune publish pull purge push put qualify quantize query queue quit
    quote raise rank rate reach react read rebuild recalibrate recall receive recheck reclaim recognize reconnect
    record recover redact redirect reduce refer refill refine reflect refresh refuse regard register reject relate
    release reload remain remember remove rename render renew reopen repair repeat replace replay reply report
    represent request require resample rescale reserve reset reshape resize resolve respond restart restore restrict
    resume retain retire retrieve retry return reuse reveal revert revoke reward rewind rewrite rotate round route
    run sample sanitize satisfy save say scale scan schedule score seal search seed seek select send separate
    serialize serve set settle shade shape shard share shift shorten should show shrink shuffle shut sign silence
    simulate skip sleep slice smooth snapshot solve sort sow spawn spell spend split spread stack stamp stand start
    state stay step stop store stream strip submit subscribe subtract suggest sum summarize supervise supply suspend
    swap switch sync synchronize take tally teach tear tell terminate test thaw throttle throw tie tile time tint
    toggle tokenize touch trace track train transfer transform transition translate transmit traverse treat trim
    truncate trust try tune turn type unload unlock unpack unregister unwrap update upgrade upload upscale use
    validate vary verify view visit wait wake walk want warm warn was wash watch weigh whiten widen wind wire wrap
    write yield zip zoom
    """.split()  # noqa: SIM905 - a list of this length is read as text
)


def parse(root: Path) -> dict[Path, ast.Module]:
    """Parse every module of the three packages."""
    paths = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {path.relative_to(root): ast.parse(path.read_text()) for path in paths}


@cache
def list_nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Return all nodes of a module; several measures read them."""
    return tuple(ast.walk(tree))


def list_functions(tree: ast.Module) -> Iterator[Function]:
    for node in list_nodes(tree):
        if isinstance(node, Function):
            yield node


def begins_with_verb(function: Function) -> bool | None:
    """Return None for functions whose name is not free: dunders and properties."""
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in function.decorator_list}
    if function.name.startswith("__") or decorators & {"property", "cached_property", "setter"}:
        return None
    word = re.match(r"[a-z]+", function.name.lstrip("_"))
    return word is not None and (word.group() in VERBS or function.name.lstrip("_").startswith("on_"))


def list_bound_names(tree: ast.Module) -> Iterator[str]:
    for node in list_nodes(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def list_openings(trees: dict[Path, ast.Module]) -> list[str]:
    """Return the modules whose docstring opens with a question word."""
    return [str(path) for path, tree in trees.items() if QUESTION_OPENINGS.match(ast.get_docstring(tree) or "")]


def count_shared_names(trees: dict[Path, ast.Module], package: str) -> tuple[int, int]:
    """Count the public functions and classes that stand in more than one module, and all of them."""
    modules: dict[str, set[Path]] = defaultdict(set)
    for path, tree in trees.items():
        if path.parts[0] == package and "commands" not in path.parts:  # a verb's file has the fixed names of a verb
            for node in tree.body:
                if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
                    modules[node.name].add(path)
    return sum(len(paths) > 1 for paths in modules.values()), len(modules)


def measure_verbs(trees: dict[Path, ast.Module], folder: str) -> tuple[float, list[str]]:
    """Return the share of functions below `folder` that begin with a verb, and those that do not."""
    verdicts = [
        (f"{path}:{function.lineno} {function.name}", begins_with_verb(function))
        for path, tree in trees.items()
        if path.is_relative_to(folder)
        for function in list_functions(tree)
    ]
    counted = [(name, verdict) for name, verdict in verdicts if verdict is not None]
    others = [name for name, verdict in counted if not verdict]
    return 1 - len(others) / max(1, len(counted)), others


def measure_empty_names(trees: dict[Path, ast.Module], folder: str = "") -> tuple[float, Counter[str]]:
    """Return the empty names in 1,000 bound names, and how often each module has one."""
    names, empty = 0, Counter[str]()
    for path, tree in trees.items():
        if path.is_relative_to(folder):
            bound = list(list_bound_names(tree))
            names += len(bound)
            empty[str(path)] += sum(name in EMPTY_NAMES for name in bound)
    return 1000 * empty.total() / max(1, names), +empty


def main(folder: str = "") -> None:
    trees = parse(ROOT)
    files = Counter(path.parent for path in trees if path.name != "__init__.py")
    lines = [len((ROOT / path).read_text().splitlines()) for path in trees if path.name != "__init__.py"]
    functions = [(node.end_lineno or 0) - node.lineno + 1 for tree in trees.values() for node in list_functions(tree)]
    room, most = files.most_common(1)[0]
    print(f"largest room: {room}, {most} files")
    for package in PACKAGES:
        share, _ = measure_verbs(trees, package)
        shared, names = count_shared_names(trees, package)
        print(f"{package}: functions that begin with a verb {share:.0%}; names in several modules {shared} of {names}")
    per_thousand, _ = measure_empty_names(trees)
    print(f"empty variable names in 1,000: {per_thousand:.1f}")
    print(f"module docstrings that open with a question word: {len(list_openings(trees))}")
    print(f"files: median {statistics.median(lines):.0f}, longest {max(lines)} lines")
    print(f"functions: median {statistics.median(functions):.0f}, longest {max(functions)} lines")
    print(f"README: {len((ROOT / 'README.md').read_text().splitlines())} lines")
    if folder:
        print(f"\nbelow {folder}, functions without a verb:")
        print("\n".join(measure_verbs(trees, folder)[1]))
        print("empty names:", dict(measure_empty_names(trees, folder)[1]))
        print("openings:", [name for name in list_openings(trees) if name.startswith(folder)])


if __name__ == "__main__":
    main(*sys.argv[1:])
