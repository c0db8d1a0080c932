"""Forecasts: which customers buy again, how often, and how much they spend, all from one model.

``history`` has the events of a sample of buyers as arrays, and ``past`` what was known on the snapshot day and on
origins one or more windows before it. ``candidates`` are the models that compete, one file each: the purchase
processes (``bg_nbd``, ``mbg_nbd``, ``pareto_nbd``, ``pooled``) and the hurdle model with its ``additive``
regressions. ``level`` carries the level of windows that are over. ``baselines`` are what a model must beat.
``rolling`` judges all of them and chooses, ``scores`` and ``judgment`` put it in figures.

``forecast`` is the model that was chosen, as plain values that are sent to the engine's tasks. ``spend`` says what a
purchase day is worth (``gamma_gamma``, ``lognormal``, ``paid``), ``discounting`` what it is worth today,
``intervals`` how far a forecast may be off, and ``reasons`` what makes churn more likely. ``maximum_likelihood`` is
the optimizer of the fits.

Terms: x = purchase days - 1, t_x = days from the first purchase day to the last, age = days from the first purchase
day to the snapshot day (T in the papers). An array of n customers has the shape (n,).
"""
