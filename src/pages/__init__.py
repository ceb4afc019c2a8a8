"""What a person opens in a browser during development: the test page and the API docs."""
