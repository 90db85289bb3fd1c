"""The entry points of the console command `backbones`, the scripts in tools/ and `import tasks`.

Modules import heavy packages inside their functions. So `--help` and errors about settings and
missing files come without the seconds that importing torch takes.
"""
