"""A language model behind an endpoint that speaks the chat-completions protocol."""

import base64
import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import openai
from pydantic import BaseModel, ConfigDict, ValidationError

from copilot.agent.calls import schemas
from copilot.agent.instructions import Instructions
from copilot.agent.minds import MindFailedError, Reply, Round, ToolCall
from domain.errors import SettingsError

MOST_PICTURES: Final = 2
_CHARACTERS_PER_TOKEN: Final = 4
_PICTURE_TOKENS: Final = 1_000
_RETRIES: Final = 1
_TINY_S: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint that the site named; there is none by default.

    Attributes
    ----------
    url
        Base of the API, with its version: ``https://llm.hospital.example/v1``.
    extra
        Further parameters of each request, as this server knows them: ``{"temperature": 0}``.
    """

    url: str
    model: str
    api_key: str = field(default="", repr=False)
    request_timeout_s: float = 60.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"agent.endpoint {self.url!r} is no address: give https://HOST/v1")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise SettingsError(
                f"agent.endpoint {self.url!r} is not encrypted: give https, or an address of this "
                "machine"
            )
        if not self.model:
            raise SettingsError("agent.model is empty: name the model that the endpoint serves")


class _Function(BaseModel):
    model_config = ConfigDict(extra="ignore")
    name: str
    arguments: str | None = None


class _Call(BaseModel):
    model_config = ConfigDict(extra="ignore")
    function: _Function


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    model_config = ConfigDict(extra="ignore")
    message: _Message


class _Usage(BaseModel):
    model_config = ConfigDict(extra="ignore")
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Completion(BaseModel):
    model_config = ConfigDict(extra="ignore")
    choices: list[_Choice]
    usage: _Usage | None = None


class ModelMind:
    """Decides by asking a model; the conversation holds what the tools gave, and no header.

    Parameters
    ----------
    goal
        What is wanted, in words.
    """

    def __init__(
        self, endpoint: Endpoint, instructions: Instructions, goal: str, rounds: int
    ) -> None:
        self._endpoint = endpoint
        self._instructions = instructions
        self._opening: list[dict[str, Any]] = [
            {"role": "system", "content": instructions.system_text(rounds)},
            {"role": "user", "content": goal},
        ]

    @property
    def name(self) -> str:
        """The model and the version and digest of its instructions."""
        return (
            f"model {self._endpoint.model}, instructions {self._instructions.version} "
            f"(sha256 {self._instructions.sha256})"
        )

    def reply(self, rounds: Sequence[Round], seconds_left: float) -> Reply:
        """Return what the model decides.

        Raises
        ------
        MindFailedError
            If the endpoint is away, says no, or its answer is none.
        """
        must_call = bool(rounds) and not rounds[-1].reply.calls  # it was told, and now is made to
        messages = [*self._opening, *_talk(rounds, self._instructions.without_call_text())]
        timeout_s = min(
            self._endpoint.request_timeout_s, max(seconds_left, _TINY_S) / (_RETRIES + 1)
        )
        client = openai.OpenAI(
            base_url=self._endpoint.url,
            api_key=self._endpoint.api_key or "none",
            timeout=timeout_s,
            max_retries=_RETRIES,
        )
        with client:
            create: Any = client.chat.completions.with_raw_response.create  # plain JSON below
            completion = _answered(
                lambda: create(
                    model=self._endpoint.model,
                    messages=messages,
                    tools=schemas(),
                    tool_choice="required" if must_call else "auto",
                    extra_body=dict(self._endpoint.extra) or None,
                )
            )
        return _reply(completion, messages)


def _answered(ask: Callable[[], Any]) -> _Completion:
    try:
        return _Completion.model_validate_json(ask().http_response.content)
    except openai.APITimeoutError as error:
        raise MindFailedError("the endpoint did not answer in time") from error
    except openai.APIConnectionError as error:
        raise MindFailedError("the endpoint can't be reached") from error
    except openai.APIStatusError as error:
        raise MindFailedError(f"the endpoint answered with status {error.status_code}") from error
    except openai.OpenAIError as error:
        raise MindFailedError(f"the endpoint failed ({type(error).__name__})") from error
    except ValidationError as error:
        raise MindFailedError("the endpoint's answer is no chat completion") from error


def _reply(completion: _Completion, messages: Sequence[dict[str, Any]]) -> Reply:
    if not completion.choices:
        raise MindFailedError("the endpoint's answer holds no choice")
    message = completion.choices[0].message
    if message.refusal:
        raise MindFailedError("the model refused")
    calls = tuple(
        ToolCall(
            id=f"c{len(messages)}-{number}",  # ours: a model's own may come twice
            name=call.function.name,
            arguments=call.function.arguments or "",
        )
        for number, call in enumerate(message.tool_calls or [])
    )
    usage = completion.usage or _estimated(message, messages)
    return Reply(
        calls=calls,
        words=message.content or "",
        tokens_in=usage.prompt_tokens,
        tokens_out=usage.completion_tokens,
    )


def _talk(rounds: Sequence[Round], without_call: str) -> Iterator[dict[str, Any]]:
    """Yield the rounds as messages; of the pictures only the last few are still shown."""
    with_picture = [told.call_id for each in rounds for told in each.told if told.picture]
    shown = set(with_picture[-MOST_PICTURES:])
    for each in rounds:
        if not each.reply.calls:
            yield {"role": "assistant", "content": each.reply.words or "(nothing)"}
            yield {"role": "user", "content": without_call}
            continue
        yield {
            "role": "assistant",
            "content": each.reply.words or None,
            "tool_calls": [_printed(call) for call in each.reply.calls],
        }
        for told in each.told:
            yield {"role": "tool", "tool_call_id": told.call_id, "content": told.text}
        for told in each.told:
            if told.picture is not None:
                yield _pictured(told.picture if told.call_id in shown else None, told.text)


def _printed(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments if _is_json(call) else "{}"}
    return {"id": call.id, "type": "function", "function": function}


def _is_json(call: ToolCall) -> bool:
    """Tell whether arguments can be sent back: servers read them again."""
    try:
        return isinstance(json.loads(call.arguments), dict)
    except ValueError:
        return False


def _pictured(png: bytes | None, text: str) -> dict[str, Any]:
    if png is None:
        return {"role": "user", "content": f"(the picture of {text} is no longer shown)"}
    url = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return {
        "role": "user",
        "content": [
            {"type": "text", "text": f"The picture of {text}"},
            {"type": "image_url", "image_url": {"url": url}},
        ],
    }


def _estimated(message: _Message, messages: Sequence[dict[str, Any]]) -> _Usage:
    """Return a count for an endpoint that gives none: by characters, pictures at a flat rate."""
    read = 0
    for each in messages:
        content = each.get("content")
        parts = content if isinstance(content, list) else [{"text": content or ""}]
        read += sum(
            len(part["text"]) // _CHARACTERS_PER_TOKEN if "text" in part else _PICTURE_TOKENS
            for part in parts
        )
    said = len(message.model_dump_json())
    return _Usage(prompt_tokens=read, completion_tokens=said // _CHARACTERS_PER_TOKEN)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
