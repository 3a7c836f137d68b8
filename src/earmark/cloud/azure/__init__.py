"""Azure Machine Learning: the only room that knows its SDK, which is imported when it is needed and not before."""
