"""The context of one translation: the client's request, and the call's other fields."""

from __future__ import annotations

from vertex_compat.types import JSON, ClientRequest, Model


class CallContext(ClientRequest):
    """Collects betas, optional features, instructions and ignored parameters of a body.

    `profile` has the facts about the model, `features` are optional features of `UpstreamCall`, and
    `instructions` go to the end of the system prompt.
    """

    __slots__ = ("betas", "features", "instructions", "profile")

    def __init__(self, body: JSON, model: Model) -> None:
        super().__init__(body, model)
        self.profile = model.profile
        self.betas: list[str] = []
        self.features: list[str] = []
        self.instructions: list[str] = []

    def use(self, feature: str) -> bool:
        """Return whether an optional feature may be used, and note that it is.

        It may not if Vertex AI has refused it.
        """
        if feature in self.model.refused_features:
            return False
        if feature not in self.features:
            self.features.append(feature)
        return True
