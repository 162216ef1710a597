"""Sentences of a report reworded by the site's language model, and kept only where no fact changed.

Off by default. What leaves is one text, whose every word is in our own vocabulary: no header, no
date, no long number, no word that could be a name. The original stands whenever anything is in
doubt.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import openai
from pydantic import BaseModel, ConfigDict, ValidationError

from copilot.agent.endpoint import Endpoint
from copilot.settings import Settings
from domain.concepts import ConceptTable
from domain.errors import SettingsError
from domain.report import StudyContext
from reporting.facts import Lexicon, lexicon
from reporting.language import Language, language
from reporting.polishing import changed_facts

_FILE: Final = "prompts/polishing.toml"
_LONGEST: Final = 1_000
_LARGEST_ANSWER: Final = 64_000
_WORD: Final = re.compile(r"[^\W\d_]+")
_LONG_NUMBER: Final = re.compile(r"\d{6,}|\d{1,4}[-./]\d{1,2}[-./]\d{2,4}")
_LEAST: Final = 2


@dataclass(frozen=True, kw_only=True)
class Polished:
    """What may stand in the report.

    Attributes
    ----------
    text
        The polished text, or the original where ``refusal`` says why it stands.
    proposed
        What the model answered, where it was refused for its facts: for showing, never for use.
    """

    text: str
    refusal: str | None = None
    proposed: str = ""


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")
    message: _Message


class _Completion(BaseModel):
    model_config = ConfigDict(extra="ignore")
    choices: list[_Choice]


class _NoAnswerError(Exception):
    """The endpoint gave nothing that could be used; the words say why."""


class Polisher:
    """Asks an endpoint that the site named."""

    def __init__(
        self, *, endpoint: Endpoint, words: Language, table: ConceptTable, timeout_s: float
    ) -> None:
        self._endpoint = endpoint
        self._words = words
        self._known = lexicon(words, table)
        self._vocabulary = _vocabulary(words, self._known)
        self._timeout_s = timeout_s
        self._system = _system(words)

    def polished(self, text: str, context: StudyContext) -> Polished:
        """Return a text reworded, or as it is with the reason.

        Parameters
        ----------
        context
            The patient's, whose words must not leave; it is not sent.
        """
        if refusal := self._why_it_stays(text, context):
            return Polished(text=text, refusal=refusal)
        try:
            answer = self._asked(text)
        except _NoAnswerError as error:
            return Polished(text=text, refusal=str(error))
        changes = changed_facts(text, answer, self._known)
        if changes:
            return Polished(
                text=text,
                refusal=f"the model's wording changes what is said ({'; '.join(changes)})",
                proposed=answer,
            )
        return Polished(text=answer)

    def _why_it_stays(self, text: str, context: StudyContext) -> str | None:
        if not text.strip():
            return "there is nothing to polish"
        if len(text) > _LONGEST:
            return f"the text is longer than {_LONGEST} characters: polish it in parts"
        if _LONG_NUMBER.search(text):
            return "the text holds a date or a long number, which may be the patient's: it stays"
        said = {word.lower() for word in _WORD.findall(text)}
        header = f"{context.patient_name} {context.patient_id} {context.accession_number}".lower()
        own = {*_WORD.findall(header), *re.findall(r"\d+", header)}
        if any(each in own for each in (*said, *re.findall(r"\d+", text)) if len(each) >= _LEAST):
            return "the text holds a word of the patient's header: it stays"
        if unknown := said - self._vocabulary:
            return (
                f"{len(unknown)} words are not in the vocabulary and might be a name: the text "
                "stays; add them to facts.vocabulary of the language if they are none"
            )
        return None

    def _asked(self, text: str) -> str:
        client = openai.OpenAI(
            base_url=self._endpoint.url,
            api_key=self._endpoint.api_key or "none",
            timeout=self._timeout_s,
            max_retries=0,  # a person waits
        )
        with client:
            create: Any = client.chat.completions.with_raw_response.create  # plain JSON below
            try:
                content = create(
                    model=self._endpoint.model,
                    messages=[
                        {"role": "system", "content": self._system},
                        {"role": "user", "content": text},
                    ],
                    extra_body=dict(self._endpoint.extra) or None,
                ).http_response.content
            except openai.APITimeoutError as error:
                raise _NoAnswerError("the endpoint did not answer in time") from error
            except openai.APIConnectionError as error:
                raise _NoAnswerError("the endpoint can't be reached") from error
            except openai.APIStatusError as error:
                status = error.status_code
                raise _NoAnswerError(f"the endpoint answered with status {status}") from error
            except openai.OpenAIError as error:
                raise _NoAnswerError(f"the endpoint failed ({type(error).__name__})") from error
        return _text_of(content)


def polisher_of(settings: Settings, table: ConceptTable) -> Polisher | None:
    """Return the site's polisher; None where it is off, as it is by default.

    Raises
    ------
    SettingsError
        If it is on and no endpoint is named, or the endpoint can't be used.
    """
    if not settings.reporting.polish:
        return None
    agent = settings.agent
    if not agent.endpoint:
        raise SettingsError(
            "reporting.polish is true and agent.endpoint is empty: name the endpoint, or turn "
            "polishing off"
        )
    endpoint = Endpoint(
        url=agent.endpoint, model=agent.model, api_key=agent.api_key(), extra=agent.extra
    )
    return Polisher(
        endpoint=endpoint,
        words=language(settings.reporting.language),
        table=table,
        timeout_s=settings.reporting.polish_timeout_s,
    )


def _text_of(content: bytes) -> str:
    if len(content) > _LARGEST_ANSWER:
        raise _NoAnswerError("the endpoint's answer is far too long")
    try:
        completion = _Completion.model_validate_json(content)
    except ValidationError as error:
        raise _NoAnswerError("the endpoint's answer is no chat completion") from error
    if not completion.choices:
        raise _NoAnswerError("the endpoint's answer holds no choice")
    message = completion.choices[0].message
    if message.refusal or not (message.content or "").strip():
        raise _NoAnswerError("the model refused, or said nothing")
    return " ".join((message.content or "").split())


def _vocabulary(words: Language, known: Lexicon) -> frozenset[str]:
    """Return every word that may leave: those of our own patterns, nouns and lexicon."""
    patterns = [*words.sentences.values(), *words.changes.values()]
    patterns = [re.sub(r"\{[^}]*\}", " ", each) for each in patterns]
    texts = (
        *patterns, *words.facts["vocabulary"], *known.phrases, *known.words, *known.glue,
        *known.same, *known.units, *known.numbers, *known.ranges, *known.joins, *known.breaks,
        "finding", "lesion",
    )  # fmt: skip
    return frozenset(word.lower() for text in texts for word in _WORD.findall(text))


def _system(words: Language) -> str:
    text = (resources.files("configs") / _FILE).read_text(encoding="utf-8")
    try:
        return str(tomllib.loads(text)["system"]).format(language=words.name).strip()
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise SettingsError(f"configs/{_FILE} is not whole ({error}): install it again") from error
