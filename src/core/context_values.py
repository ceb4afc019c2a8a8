"""Values of the context that hold for a block."""

from contextvars import ContextVar, Token
from typing import Generic, TypeVar

T = TypeVar("T")


class bound(Generic[T]):  # noqa: N801 - used like a function
    """`with bound(variable, value):`. A class, because every request enters two of them."""

    __slots__ = ("_outer", "_value", "_variable")

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._outer: Token[T] = self._variable.set(self._value)

    def __exit__(self, *_: object) -> None:
        self._variable.reset(self._outer)
