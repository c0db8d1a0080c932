"""The purchase model: who buys again, how often, and for how much.

Plain numpy and scipy, no Spark and no Dagster: a fit runs once per snapshot on grouped statistics, and its
result is a small JSON-able object that is shipped into the engine's tasks to score customers.

``bgnbd`` models when customers buy and ``gamma_gamma`` what a purchase day is worth; ``value`` turns both
into a discounted amount; ``fallback`` speaks where a fit is impossible; ``purchase`` chooses and scores.
``maximum_likelihood`` is the optimiser that both fits share, ``cdnow`` reads the published data set that the
fits are held against.

Words: x = distinct purchase days - 1, t_x = days from the first purchase day to the last, age = days from the
first purchase day to the snapshot day (T in the papers). An array of n customers has the shape (n,).
"""
