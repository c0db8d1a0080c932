"""Predictions: which customers buy again, how often, and how much they spend.

The purchase model uses only numpy and scipy. It is fitted once per snapshot on grouped statistics, and the result is a
small object that is sent as JSON to the engine's tasks to score customers. ``bg_nbd``, ``mbg_nbd`` and
``pareto_nbd`` model when customers buy, ``gamma_gamma`` and ``lognormal`` what a paid day is worth, and ``paid`` which
purchase days are paid. ``discounting`` turns these into a discounted amount. ``pooled`` is used if a fit is impossible.
``purchase`` chooses the models and scores customers. ``maximum_likelihood`` is the optimizer of all fits.

``scoring`` applies the purchase model in the engine, ``gradient_boosting`` is the challenger, and ``scores`` measures
the accuracy of the predictions.

Terms: x = purchase days - 1, t_x = days from the first purchase day to the last, age = days from the first purchase day
to the snapshot day (T in the papers). An array of n customers has the shape (n,).
"""
