"""Feishu and Lark: their events into ours over the long connection or a webhook, our deliveries back over REST.

lark-oapi costs seconds and 150 MB to import, so no module here imports it at the top: ``library.py`` does,
when a platform is started.
"""
