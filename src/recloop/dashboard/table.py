"""The one table of the dashboard's pages and forms."""

from recloop.dashboard.entrance import login, logout
from recloop.dashboard.housekeeping import audit, promote, releases, rollback
from recloop.dashboard.overrides import add, end, overrides
from recloop.dashboard.overview import overview
from recloop.dashboard.reviews import change, look, reviews
from recloop.dashboard.trials import experience, experiment, experiments
from recloop.dashboard.visit import View

VIEWS = (
    View("GET", "/dashboard/login", "anybody", login),
    View("POST", "/dashboard/login", "anybody", login),
    View("POST", "/dashboard/logout", "viewer", logout),
    View("GET", "/dashboard", "viewer", overview, "overview"),
    View("GET", "/dashboard/experiments", "viewer", experiments, "experiments"),
    View("GET", "/dashboard/experiments/{name}", "viewer", experiment, "experiments"),
    View("GET", "/dashboard/experience", "viewer", experience, "experience"),
    View("GET", "/dashboard/overrides", "viewer", overrides, "overrides"),
    View("POST", "/dashboard/overrides", "operator", add, "overrides"),
    View("POST", "/dashboard/overrides/{name}/end", "operator", end, "overrides"),
    View("GET", "/dashboard/reviews", "viewer", reviews, "reviews"),
    View("POST", "/dashboard/reviews", "operator", look, "reviews"),
    View("POST", "/dashboard/reviews/{name}", "operator", change, "reviews"),
    View("GET", "/dashboard/releases", "viewer", releases, "releases"),
    View("POST", "/dashboard/releases/rollback", "operator", rollback, "releases"),
    View("POST", "/dashboard/releases/{name}/promote", "operator", promote, "releases"),
    View("GET", "/dashboard/audit", "viewer", audit, "audit"),
)
