"""Hello: an empty function on the same stack, which nothing can be smaller than."""

import functions_framework


@functions_framework.http
def hello(_):
    return "hello"
