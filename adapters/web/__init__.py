"""The web room: a real group chat in the browser, for people and for the bot, that needs no account anywhere.

``adapter.py`` has :class:`~adapters.web.adapter.WebPlatform`, what the app makes. Nothing heavy is imported
before its server is made: Gradio costs two seconds and 130 MB.
"""
