"""Topics of Kafka as a source: their records become landing files. ``consume`` needs the extra ``kafka``."""
