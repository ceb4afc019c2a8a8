"""ChatKit's requests: `{type, params}`, each type with parameters of its own.

Members that we do not know are passed over, as ChatKit's own servers do: its clients are newer or
older than we are. Source: openai-chatkit 1.6.5, `chatkit/types.py`.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from src.chat.responder import MAX_CHARACTERS
from src.core.errors import FieldError, InvalidRequest, json_pointer
from src.support.errors import NotOffered
from src.support.ids import ItemId, ThreadId
from src.support.models import TITLE_LENGTH

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100
MOST_PARTS: Final = 100
MAX_INPUT_BYTES: Final = 64 * 1024
MOST_FIELD_ERRORS: Final = 10
NOT_OFFERED: Final = ("attachments.create", "attachments.delete", "input.transcribe")


class _Members(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class ContentPart(_Members):
    """Text, or something that was picked from a list, such as a person's name (`input_tag`)."""

    type: Literal["input_text", "input_tag"]
    text: str
    id: str | None = None
    data: dict[str, Any] | None = None
    group: str | None = None
    interactive: bool | None = None

    @model_validator(mode="after")
    def _whole_tag(self) -> Self:
        if self.type == "input_tag" and (self.id is None or self.data is None):
            raise ValueError("An input_tag has an id and data.")
        return self


class ToolChoice(_Members):
    """The tool that the user picked; there are none, it is stored as it is."""

    id: str


class InferenceOptions(_Members):
    """The tool and model that the user picked, stored as they are."""

    tool_choice: ToolChoice | None = None
    model: str | None = None


def _none(attachments: list[Any]) -> list[Any]:
    if attachments:
        raise ValueError("Attachments are not offered here.")
    return attachments


class UserInput(_Members):
    """What a user says."""

    content: Annotated[list[ContentPart], Field(min_length=1, max_length=MOST_PARTS)]
    attachments: Annotated[list[Any], AfterValidator(_none)] = []
    quoted_text: str | None = None
    inference_options: InferenceOptions = InferenceOptions()

    @property
    def words(self) -> str:
        """In plain text."""
        return " ".join(part.text.strip() for part in self.content).strip()

    @property
    def text(self) -> str:
        """The words, with what they quote before them as in an e-mail."""
        quoted = [f"> {line}" for line in (self.quoted_text or "").splitlines()]
        return "\n".join([*quoted, "", self.words] if quoted else [self.words])

    @model_validator(mode="after")
    def _of_a_size(self) -> Self:
        if not self.words:
            raise ValueError("Say something.")
        if len(self.text) > MAX_CHARACTERS:
            raise ValueError(f"Say it in at most {MAX_CHARACTERS} characters.")
        if len(self.model_dump_json().encode()) > MAX_INPUT_BYTES:
            raise ValueError(f"Use at most {MAX_INPUT_BYTES} bytes.")
        return self


class _Listed(_Members):
    limit: int | None = None
    order: Literal["asc", "desc"] = "desc"

    @property
    def size(self) -> int:
        """How many are wanted at most; ChatKit sets no bounds to `limit`."""
        return max(1, min(self.limit or DEFAULT_LIMIT, MAX_LIMIT))


class _OfThread(_Members):
    thread_id: ThreadId


class _OfItem(_OfThread):
    item_id: ItemId


class _NewThread(_Members):
    input: UserInput


class _Said(_OfThread):
    input: UserInput


class _ForAssistant(_OfThread):
    item_id: ItemId | None = None


class _Renamed(_OfThread):
    title: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH),
    ]


class _ListedThreads(_Listed):
    after: ThreadId | None = None


class _ListedItems(_Listed, _OfThread):
    after: ItemId | None = None


class _Judged(_OfThread):
    item_ids: Annotated[list[ItemId], Field(max_length=MAX_LIMIT)]
    kind: Literal["positive", "negative"]


class CreateThread(_Members):
    """Answered with a stream, as the three that follow."""

    params: _NewThread


class AddUserMessage(_Members):
    params: _Said


class RetryAfterItem(_Members):
    params: _OfItem


class TellAssistant(_Members):
    """A tool's output, the answers to a form, or an action: nothing that our assistant asks for."""

    params: _ForAssistant


class GetThread(_Members):
    """Answered with JSON, as all that follow."""

    params: _OfThread


class ListThreads(_Members):
    params: _ListedThreads


class UpdateThread(_Members):
    params: _Renamed


class DeleteThread(_Members):
    params: _OfThread


class RunAction(_Members):
    params: _ForAssistant


class ListItems(_Members):
    params: _ListedItems


class GiveFeedback(_Members):
    params: _Judged


StreamingRequest = CreateThread | AddUserMessage | RetryAfterItem | TellAssistant
JsonRequest = (
    GetThread | ListThreads | UpdateThread | DeleteThread | RunAction | ListItems | GiveFeedback
)
ChatKitRequest = StreamingRequest | JsonRequest

BY_TYPE: Final[dict[str, type[ChatKitRequest]]] = {
    "threads.create": CreateThread,
    "threads.add_user_message": AddUserMessage,
    "threads.add_client_tool_output": TellAssistant,
    "threads.add_structured_input": TellAssistant,
    "threads.retry_after_item": RetryAfterItem,
    "threads.custom_action": TellAssistant,
    "threads.get_by_id": GetThread,
    "threads.list": ListThreads,
    "threads.update": UpdateThread,
    "threads.delete": DeleteThread,
    "threads.sync_custom_action": RunAction,
    "items.list": ListItems,
    "items.feedback": GiveFeedback,
}


def read_request(document: object) -> ChatKitRequest:
    """The request that a JSON document is.

    Raises: `NotOffered`, `InvalidRequest`; neither repeats what was sent.
    """
    kind = document.get("type") if isinstance(document, dict) else None
    if kind in NOT_OFFERED:
        raise NotOffered
    model = BY_TYPE.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise InvalidRequest(FieldError("/type", f"Use one of {', '.join(BY_TYPE)}."))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest(*map(_field_error, error.errors()[:MOST_FIELD_ERRORS])) from error


def _field_error(error: Any) -> FieldError:  # noqa: ANN401 - pydantic's ErrorDetails
    return FieldError(json_pointer(error["loc"]), error["msg"].removeprefix("Value error, "))
