"""The lab: recipes, runs, measures, unlearning baselines, comparisons and reports, built on ``gm.*`` alone."""
