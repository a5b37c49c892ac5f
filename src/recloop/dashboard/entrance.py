from recloop.dashboard.visit import Sent, Shown, Visit


def login(_visit: Visit) -> Shown | Sent:
    """The page where one logs in; ``Dashboard`` answers it, since it makes the session."""
    return Sent("/dashboard/login")


def logout(visit: Visit) -> Sent:
    """End the session, on this machine and in the store."""
    visit.serving.store.accounts.logout(visit.token)
    return Sent("/dashboard/login", "bye", cookie="")
