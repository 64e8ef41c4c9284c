"""A Flask view that reads a callback's form and does nothing with it."""

from flask import Flask, request

app = Flask(__name__)


@app.post("/")
def view() -> tuple[str, int]:
    request.form.to_dict()
    return "", 204
