"""The rules of a misbehaving server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radar_nb.errors import SettingsError
from radar_nb.mirror.faults.rules import KINDS, Fault, Faults, Kind, load_faults

if TYPE_CHECKING:
    import random

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "faults.example.toml"
REQUESTS = [(f"/bin/{number}.tar", attempt) for number in range(100) for attempt in range(1, 6)]

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "path": TEXTS,
    "attempts": st.lists(st.integers(1, 99), max_size=3).map(tuple),
    "share": st.floats(0, 1),
    "after": st.integers(0, 1 << 40),
    "by": st.integers(-(1 << 40), 1 << 40).filter(bool),
    "edition": TEXTS,
    "retry_after": st.floats(0, 1e9),
    "as_date": st.booleans(),
    "location": st.just("http://127.0.0.1:8931"),
    "latency": st.floats(0.001, 100),
    "rate": st.floats(0.001, 1e9) | st.integers(1, 10**9),
}


@st.composite
def rules(draw: st.DrawFn) -> Fault:
    """Draw a rule of any kind, with some of its options."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    own = {name: OPTIONS[name] for name in KINDS[kind].options if name in OPTIONS}
    if KINDS[kind].forms:
        own["form"] = st.sampled_from(KINDS[kind].forms)
    needed = {"latency": own.pop("latency")} if kind == "slow" else {}
    common = {name: OPTIONS[name] for name in ("path", "attempts", "share")}
    return Fault(kind=kind, **draw(st.fixed_dictionaries(needed, optional=common | own)))


def struck(kind: Kind, share: float, *, seed: int = 0) -> set[tuple[str, int]]:
    """Return the requests that a rule with a share affects."""
    faults = Faults(rules=(Fault(kind=kind, share=share),), seed=seed)
    return {request for request in REQUESTS if faults.strike(*request)}


def as_toml(faults: Faults) -> str:
    """Write rules as a user would."""
    lines = [f"seed = {faults.seed}"]
    for rule in faults.rules:
        said = {"kind": rule.kind, "path": rule.path, "attempts": list(rule.attempts), "share": rule.share}
        lines.append("[[fault]]")
        lines += [f"{name} = {json.dumps(v, ensure_ascii=False)}" for name, v in (said | rule.heeded).items()]
    return "\n".join(lines)


class TestStriking:
    """Selection of requests."""

    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(), order=st.randoms(use_true_random=False))
    def test_the_order_of_requests_does_not_matter(self, seed: int, order: random.Random) -> None:
        """The same seed selects the same requests, in any order."""
        found = Faults(rules=(Fault(kind="cut", share=0.3), Fault(kind="503", share=0.3)), seed=seed)
        again = Faults(rules=found.rules, seed=seed)
        shuffled = order.sample(REQUESTS, len(REQUESTS))

        drawn = {request: again.strike(*request) for request in shuffled}

        assert [drawn[request] for request in REQUESTS] == [found.strike(*request) for request in REQUESTS]

    def test_another_seed_selects_others(self) -> None:
        """Another seed selects other requests, about as many."""
        found = [struck("cut", 0.3, seed=seed) for seed in range(4)]

        assert all(100 < len(each) < 200 for each in found)
        assert len({frozenset(each) for each in found}) == 4

    def test_kinds_are_independent(self) -> None:
        """Whether one kind affects a request is independent of another."""
        cut, flip = struck("cut", 0.5), struck("flip", 0.5)

        assert 80 < len(cut & flip) < 170

    @settings(max_examples=20, deadline=None)
    @given(share=st.floats(0, 1), more=st.floats(0, 1))
    def test_a_larger_share_includes_a_smaller(self, share: float, more: float) -> None:
        """Requests selected at a share are selected at each larger one; none at 0, all at 1."""
        few, many = sorted((share, more))

        assert struck("cut", 0) == set()
        assert struck("cut", few) <= struck("cut", many)
        assert struck("cut", 1) == set(REQUESTS)

    def test_the_first_rule_counts(self) -> None:
        """The first of several matching rules applies; being slow combines with any of them."""
        slow = Fault(kind="slow", latency=0.1)
        first, second = Fault(kind="cut", path="*.gz"), Fault(kind="503")
        faults = Faults(rules=(slow, first, second))

        assert faults.strike("/a.tar.gz", 1) == (first, slow)
        assert faults.strike("/a.tar", 1) == (second, slow)
        assert Faults(rules=(slow,)).strike("/a.tar", 1) == (slow,)
        assert Faults().strike("/a.tar", 1) == ()

    @pytest.mark.parametrize(
        ("pattern", "path", "concerned"),
        [
            ("*", "/a/b", True),
            ("*.tar", "/a/b.tar", True),
            ("*.tar", "/a/b.TAR", False),
            ("*.TAR", "/a/b.tar", False),
            ("/a/?.tar", "/a/b.tar", True),
            ("/a/[cd].tar", "/a/b.tar", False),
            ("b.tar", "/a/b.tar", False),
            ("*/", "/a/", True),
        ],
    )
    def test_patterns(self, pattern: str, path: str, concerned: bool) -> None:
        """A pattern matches the whole path, case-sensitively."""
        found = Faults(rules=(Fault(kind="404", path=pattern),)).strike(path, 1)

        assert bool(found) == concerned

    def test_attempts(self) -> None:
        """A rule with attempts affects only these; a changed ETag by default all but the first."""
        third, changed = (
            Faults(rules=(Fault(kind="404", attempts=(1, 3)),)),
            Faults(rules=(Fault(kind="new-etag"),)),
        )

        assert [bool(third.strike("/a", n)) for n in range(1, 5)] == [True, False, True, False]
        assert [bool(changed.strike("/a", n)) for n in range(1, 4)] == [False, True, True]

    @pytest.mark.parametrize("kind", ["no-range", "wrong-range", "416"])
    def test_ranges(self, kind: Kind) -> None:
        """A fault of ranges leaves other requests to the next rule."""
        faults = Faults(rules=(Fault(kind=kind), Fault(kind="cut")))

        assert faults.strike("/a", 1, ranged=True)[0].kind == kind
        assert faults.strike("/a", 1, ranged=False)[0].kind == "cut"

    def test_listings(self) -> None:
        """A fault of index pages leaves files to the next rule."""
        faults = Faults(rules=(Fault(kind="listing"), Fault(kind="cut")))

        assert [faults.strike(path, 1)[0].kind for path in ("/a/", "/a")] == ["listing", "cut"]


class TestRules:
    """Valid rules."""

    def test_every_kind_is_documented(self) -> None:
        """Each kind has a description and a list of its options."""
        assert tuple(KINDS) == get_args(Kind)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"kind": "explode"}, r"unknown kind of fault 'explode': choose one of reset, .*, slow"),
            ({"kind": None}, "unknown kind of fault None"),
            ({"kind": "cut", "path": ""}, r"path = '' of a 'cut' fault .* such as '\*.tar.gz'"),
            ({"kind": "cut", "attempts": (0,)}, r"attempts = \(0,\) .* from 1 on"),
            ({"kind": "cut", "attempts": (True,)}, r"attempts = \(True,\)"),
            ({"kind": "cut", "attempts": [1]}, r"attempts = \[1\]"),
            ({"kind": "cut", "share": 1.5}, r"share = 1\.5 .* from 0 to 1"),
            ({"kind": "cut", "share": float("nan")}, "share = nan"),
            ({"kind": "cut", "share": "half"}, "share = 'half'"),
            ({"kind": "cut", "after": -1}, "after = -1 .* from 0 on"),
            ({"kind": "cut", "after": 1.0}, r"after = 1\.0"),
            ({"kind": "length", "by": 0}, "by = 0 .* not 0"),
            ({"kind": "429", "retry_after": -1}, "retry_after = -1"),
            ({"kind": "429", "retry_after": float("inf")}, "retry_after = inf"),
            ({"kind": "429", "as_date": "yes"}, "as_date = 'yes' .* true or false"),
            ({"kind": "elsewhere", "location": "/here"}, "location = '/here' .* web address"),
            ({"kind": "elsewhere", "location": "http://[::1"}, "location = .* web address"),
            ({"kind": "new-etag", "edition": 2}, "edition = 2"),
            ({"kind": "new-etag", "form": "truth"}, "form = 'truth' .* one of honest, lie"),
            ({"kind": "new-etag", "form": 1}, "form = 1"),
            ({"kind": "trickle", "rate": 0}, "rate = 0 .* more than 0"),
            ({"kind": "slow", "latency": -0.1}, r"latency = -0\.1"),
            ({"kind": "slow"}, "slows nothing: set a latency"),
            (
                {"kind": "404", "after": 5},
                "a '404' fault has no option 'after': choose from kind, path, .*share$",
            ),
            ({"kind": "cut", "form": "x"}, "a 'cut' fault has no option 'form'"),
        ],
    )
    def test_invalid_rules_are_refused(self, options: dict[str, Any], message: str) -> None:
        """The message names the value and what is allowed."""
        with pytest.raises(SettingsError, match=message):
            Fault(**options)

    def test_the_table_shows_all(self) -> None:
        """The table has one row per rule, which describes it."""
        table = Faults(rules=(Fault(kind="cut", attempts=(1, 2), after=5, share=0.25),), seed=3).table()

        assert "seed 3" in table.title
        assert table.rows == (("cut", "reset in the body", "*", "1, 2", "25 %", "after 5"),)


class TestFiles:
    """Files of rules."""

    @given(found=st.lists(rules(), max_size=5), seed=st.integers(-(1 << 60), 1 << 60))
    def test_round_trip(self, tmp_path_factory: pytest.TempPathFactory, found: list[Fault], seed: int) -> None:
        """Rules written as TOML are read back."""
        faults = Faults(rules=tuple(found), seed=seed)
        path = tmp_path_factory.mktemp("faults") / "faults.toml"
        path.write_text(as_toml(faults), encoding="utf-8")

        assert load_faults(path) == faults

    def test_an_empty_file(self, tmp_path: Path) -> None:
        """A file without a rule is a server without faults."""
        path = tmp_path / "faults.toml"
        path.touch()

        assert load_faults(str(path)) == Faults()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("seed = ", r"faults\.toml is not a TOML file"),
            ("seed = 'one'", "seed = 'one' is not allowed: write a whole number"),
            ("seed = true", "seed = True is not allowed"),
            ("sed = 1", r"faults\.toml: 'sed' is unknown here; write seed = 1"),
            ("fault = 1", r"write \[\[fault\]\]"),
            ("fault = [1]", r"write \[\[fault\]\]"),
            ("[fault]\nkind = 'cut'", r"write \[\[fault\]\]"),
            ("[[fault]]\npath = '*'", r"faults\.toml, fault 1: unknown kind of fault None"),
            ("[[fault]]\nkind = ['cut']", r"fault 1: unknown kind of fault \['cut'\]"),
            ("[[fault]]\nkind = 404", r"fault 1: unknown kind of fault 404"),
            ("[[fault]]\nkind = 'cut'\n[[fault]]\nkind = 'cot'", r"fault 2: unknown kind of fault 'cot'"),
            (
                "[[fault]]\nkind = 'cut'\nafterwards = 5",
                r"fault 1: a 'cut' fault has no option 'afterwards': choose",
            ),
            ("[[fault]]\nkind = '404'\nafter = 5", r"fault 1: a '404' fault has no option 'after'"),
            ("[[fault]]\nkind = 'cut'\nattempts = 1", r"fault 1: attempts = 1 "),
            ("[[fault]]\nkind = 'cut'\nattempts = [1.5]", r"fault 1: attempts = \(1\.5,\)"),
            ("[[fault]]\nkind = 'cut'\nshare = nan", r"fault 1: share = nan"),
            ("[[fault]]\nkind = 'slow'\nrate = inf", r"fault 1: rate = inf"),
        ],
    )
    def test_invalid_files_are_refused(self, tmp_path: Path, text: str, message: str) -> None:
        """The error names the file, the rule, the mistake and what is allowed."""
        path = tmp_path / "faults.toml"
        path.write_text(text, encoding="utf-8")

        with pytest.raises(SettingsError, match=message):
            load_faults(path)

    def test_bytes_that_are_not_text(self, tmp_path: Path) -> None:
        """Bytes that are not text are not TOML."""
        path = tmp_path / "faults.toml"
        path.write_bytes(b"seed = 1 # \xff")

        with pytest.raises(SettingsError, match="is not a TOML file"):
            load_faults(path)

    def test_a_missing_file(self, tmp_path: Path) -> None:
        """The error names it."""
        with pytest.raises(SettingsError, match=r"nowhere\.toml cannot be read: No such file"):
            load_faults(tmp_path / "nowhere.toml")

    def test_the_example_shows_every_kind(self) -> None:
        """The documented example can be loaded, and contains every kind."""
        faults = load_faults(EXAMPLE)

        assert {rule.kind for rule in faults.rules} == set(KINDS)
