"""Comparison of our types of JSON bodies with the classes of the vendors' SDKs."""

import typing

import pytest


def typed_dicts(module):
    """The types that a module defines, by name."""
    return {
        type_.__name__: type_
        for type_ in vars(module).values()
        if hasattr(type_, "__required_keys__") and type_.__module__ == module.__name__
    }


def by_name(module):
    return pytest.mark.parametrize("name", typed_dicts(module))


def fields(class_):
    """The fields of an SDK's class, and the required ones among them."""
    if isinstance(class_, set):
        return class_, class_
    names = {field.alias or name: field.is_required() for name, field in class_.model_fields.items()}
    return set(names), {name for name, required in names.items() if required}


def required_keys(type_):
    """The required keys of a type; Python 3.11 does not see `NotRequired` in a string."""
    hints = typing.get_type_hints(type_, include_extras=True)
    return {key for key in type_.__required_keys__ if typing.get_origin(hints[key]) is not typing.NotRequired}


def literals(hint):
    """The values of a hint of literals and null only; empty for any other hint."""
    if typing.get_origin(hint) is typing.Literal:
        return set(typing.get_args(hint))
    members = [member for member in typing.get_args(hint) if member is not type(None)]
    alternatives = [literals(member) for member in members]
    return set().union(*alternatives) if all(alternatives) else set()


def check_literals(type_, class_):
    """Hold the values of each field against those that the SDK's class knows."""
    sdk_fields = getattr(class_, "model_fields", {})
    hints = {field.alias or name: field.annotation for name, field in sdk_fields.items()}
    for name, hint in typing.get_type_hints(type_).items():
        if sdk_values := literals(hints.get(name)):
            assert literals(hint) <= sdk_values, name


def check(type_, class_, extensions=frozenset(), elsewhere=frozenset()):
    """Compare a type with a class; `elsewhere` are required fields of other parts of the object."""
    names, required = fields(class_)
    assert set(type_.__annotations__) - names == set(extensions)
    assert required - required_keys(type_) == set(elsewhere)
    check_literals(type_, class_)
