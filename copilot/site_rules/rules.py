"""Rules of a site: which command is carried out on which series by itself, and what may leave."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from copilot.site_rules.conditions import Condition, Met, SeriesFacts
from dicom_node.equipment import is_ours
from domain.command import SegmentCommand
from domain.errors import SettingsError
from domain.ports import Grammar

_FINGERPRINT = 12


class Run(StrEnum):
    """When a rule's command is carried out."""

    AUTOMATIC = "automatic"
    ON_DEMAND = "on demand"


@dataclass(frozen=True, kw_only=True)
class SiteRule:
    """A command for every series that meets all conditions.

    Attributes
    ----------
    command
        A sentence that outlines something by its name alone: nobody draws a box.
    engine
        Empty: that of the settings.
    push_back
        Destinations that get the result without a person's yes (decision 6).
    push_warned
        Also where something about the result is doubtful: the site answers for it.
    """

    name: str
    when: tuple[Condition, ...]
    command: str
    engine: str = ""
    run: Run = Run.ON_DEMAND
    push_back: tuple[str, ...] = ()
    push_warned: bool = False

    @property
    def actor(self) -> str:
        """Who did it, in the audit trail."""
        return f"rule {self.name}"

    @property
    def fingerprint(self) -> str:
        """Of what it does: a rule that does another thing is another rule."""
        said = "\n".join((self.name, self.command, self.engine, *sorted(self.push_back)))
        return hashlib.sha256(said.encode()).hexdigest()[:_FINGERPRINT]


@dataclass(frozen=True, kw_only=True)
class RuleVerdict:
    """What one rule says of one series."""

    rule: SiteRule
    conditions: tuple[Met, ...]
    refusal: str = ""

    @property
    def applies(self) -> bool:
        """Whether its command is for this series."""
        return not self.refusal and all(each.holds for each in self.conditions)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks for it where it applies, against it where it does not."""
        if self.refusal:
            return (self.refusal,)
        return tuple(each.says for each in self.conditions if each.holds == self.applies)


def judged(rules: Sequence[SiteRule], facts: SeriesFacts) -> tuple[RuleVerdict, ...]:
    """Return what every rule says of a series; none applies to what we made, or to no images."""
    refusal = ""
    if is_ours(facts.header):
        refusal = "radcopilot made it: its own objects start no work"
    elif "Rows" not in facts.header:
        refusal = "it holds no images"
    return tuple(
        RuleVerdict(
            rule=rule,
            conditions=tuple(each.met(facts) for each in rule.when),
            refusal=refusal,
        )
        for rule in rules
    )


def check_rules(
    rules: Sequence[SiteRule],
    grammar: Grammar,
    engines: Sequence[str],
    destinations: Sequence[str],
) -> None:
    """Refuse rules that could not be carried out, before anything is received.

    Raises
    ------
    SettingsError
        Naming the rule, what is wrong with it, and the remedy.
    """
    names = [rule.name for rule in rules]
    for rule in rules:
        if names.count(rule.name) > 1:
            raise SettingsError(f"two rules are called {rule.name!r}: give each its own name")
        if not isinstance(grammar.parse(rule.command), SegmentCommand):
            near = ", ".join(repr(each) for each in grammar.nearest([rule.command], 2))
            raise SettingsError(
                f"rule {rule.name!r}: {rule.command!r} outlines nothing; write a sentence as {near}"
            )
        if rule.engine and rule.engine not in engines:
            raise SettingsError(
                f"rule {rule.name!r}: no engine is called {rule.engine!r}; installed are "
                f"{', '.join(sorted(engines))}"
            )
        _check_push(rule, destinations)


def _check_push(rule: SiteRule, destinations: Sequence[str]) -> None:
    """Hold what leaves by itself to a modality, a concept and an engine that are named."""
    if not rule.push_back:
        return
    for destination in rule.push_back:
        if destination not in destinations:
            known = ", ".join(destinations) or "none"
            raise SettingsError(
                f"rule {rule.name!r}: push_back names {destination!r}, and [[peers]] has {known}"
            )
    if rule.run is not Run.AUTOMATIC:
        raise SettingsError(
            f'rule {rule.name!r}: push_back goes with run = "automatic"; what a person asked for '
            "waits for a yes"
        )
    if not rule.engine or not any(each.tag == "Modality" and each.values for each in rule.when):
        raise SettingsError(
            f"rule {rule.name!r}: push_back needs an engine and a condition Modality is …: what "
            "leaves without a yes is allowed for these alone"
        )
