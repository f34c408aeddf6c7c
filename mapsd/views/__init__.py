"""Values become text: tables, JSON, maps' own form, sentences."""
