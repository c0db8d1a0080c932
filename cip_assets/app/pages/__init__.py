"""The pages, in the order of the menu.

To add one, write a module with a function that takes an ``Ask`` and returns what the page shows, a template in
``templates`` that extends ``base.html.jinja``, and an entry of ``PAGES``.
"""

from collections.abc import Sequence

from cip_assets.app.page import Page
from cip_assets.app.pages.customer import CUSTOMER
from cip_assets.app.pages.figure import FIGURE
from cip_assets.app.pages.find import FIND
from cip_assets.app.pages.team import TEAM_PAGES

PAGES: Sequence[Page] = (FIND, *TEAM_PAGES, CUSTOMER, FIGURE)
