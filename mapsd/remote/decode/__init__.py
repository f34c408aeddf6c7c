"""The JSON of a daemon becomes the values that the views take: the other way round than mapsd.views makes it."""
