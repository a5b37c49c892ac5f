"""What is done to all that comes in, before it is stored or meets a model."""

from dataclasses import dataclass

from msgspec.structs import replace

from recloop.app.pseudonyms import Pseudonyms
from recloop.language.masking import mask
from recloop.types import Event, Feedback, Request


@dataclass(frozen=True, slots=True)
class Door:
    """The rules of the door.

    Attributes:
        masks: whether addresses and numbers are taken out of free text (``recloop.language.masking``).
        names: what replaces the ids of users; None leaves them.

    >>> Door().feedback(Feedback("ann", "comment", text="call +49 30 1234567")).text
    'call [phone]'
    """

    masks: bool = True
    names: Pseudonyms | None = None

    def request(self, request: Request) -> Request:
        """A wish as it may go on: what it tells of user and moment is kept with its decision."""
        if self.masks and (request.steer or request.profile or request.context):
            request = replace(
                request,
                steer=self.text(request.steer),
                profile={name: self.text(value) for name, value in request.profile.items()},
                context={name: self.text(value) for name, value in request.context.items()},
            )
        if self.names is None or not request.user:
            return request
        user = self.names.of(request.user)
        history = tuple(replace(event, user=user) for event in request.history)
        return replace(request, user=user, history=history)

    def event(self, event: Event) -> Event:
        """An event as it may be kept."""
        return event if self.names is None else replace(event, user=self.names.of(event.user))

    def feedback(self, said: Feedback) -> Feedback:
        """What a user said, as it may be kept."""
        return replace(said, user=self.user(said.user), text=self.text(said.text))

    def user(self, user: str) -> str:
        """The id under which a user is kept."""
        return user if self.names is None else self.names.of(user)

    def text(self, text: str) -> str:
        """Free text as it may be kept."""
        return mask(text) if self.masks and text else text
