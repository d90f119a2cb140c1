"""Parts of the settings and of the metrics that are for operators."""
