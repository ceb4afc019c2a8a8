"""What "Execute" sends when nobody changes anything: examples of bodies and of parameters.

Explicit, because a body that is made up from its schema holds members that nobody would send, such
as the id of a session that does not exist.
"""

from typing import Any, Final

_EMAIL: Final = "hedy@example.com"
_PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - what /docs signs up with
_UUID: Final = "01981c2e-7a4b-7c3e-9d5f-0123456789ab"
_REFRESH_TOKEN: Final = "<refresh token>"  # noqa: S105 - docs.js puts a real one in its place

# By operation.
BODIES: Final[dict[str, dict[str, Any]]] = {
    "sign_up": {"email": _EMAIL, "password": _PASSWORD, "username": "hedy"},
    "log_in": {"email": _EMAIL, "password": _PASSWORD},
    "log_in_by_form": {"grant_type": "password", "username": _EMAIL, "password": _PASSWORD},
    "refresh": {"refresh_token": _REFRESH_TOKEN},
    "log_out": {"refresh_token": _REFRESH_TOKEN, "scope": "local"},
    "change_profile": {"username": "countess"},
    "change_password": {
        "current_password": _PASSWORD,
        "new_password": "a long walk by the river",
    },
    "change_user": {"roles": ["user", "editor"], "is_active": True},
    "issue_service_token": {"grant_type": "client_credentials"},
    "introspect": {"token": _REFRESH_TOKEN},
    "revoke": {"token": _REFRESH_TOKEN},
    "open_session": {"title": "About my knee", "initial_message": "What does the kneecap do?"},
    "send_message": {"message": "What does the spleen do?"},
    "rename_conversation": {"title": "About the spleen"},
    "add_record": {
        "part": "patella",
        "kind": "symptom",
        "side": "left",
        "severity": 4,
        "started_on": "2026-01-31",
        "note": "Hurts on the stairs.",
    },
    "change_record": {"severity": 2, "note": "Better since the exercises."},
    "read_context": {"user_id": "+34600123456"},
    "add_memory": {
        "user_id": "+34600123456",
        "text": "Prefers to be called in the morning.",
        "metadata": {"channel": "phone"},
    },
    "chatkit": {"type": "threads.list", "params": {}},
}

# Of parameters in the path, by their names.
IDS: Final = {"session_id": _UUID, "record_id": _UUID, "user_id": _UUID}

# By operation and name.
PARAMETERS: Final = {
    ("end_session", "session_id"): "u0HqTz5rXb2mV7kC",
    ("read_system", "slug"): "skeletal",
    ("read_part", "slug"): "femur",
    ("find_parts", "q"): "tummy",
}
