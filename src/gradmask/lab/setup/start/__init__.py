"""``gradmask init``: from a folder of text to a recipe whose every value has a reason.

Read in this order: ``fields`` and ``looking`` (what the data is), ``counting`` (domains and labels), ``answers`` (what must go),
``sizing`` (model, batch, steps), ``timing`` (seconds per step), ``drafting`` (the recipe with its comments), ``checking``.
"""
