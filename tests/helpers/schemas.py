"""Strategies and judges for OpenAI's schemas."""

from hypothesis import strategies as st

from vertex_compat import errors

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


class Refuses:
    """A network that lets nothing through: a body that gets as far was good."""

    def open(self, *_, **__):
        raise errors.Unavailable("No.")
