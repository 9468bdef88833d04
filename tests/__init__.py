"""The tests of jfcelery."""
