"""The doors: what the console command `backbones`, the scripts in tools/ and `import tasks` call.

Modules import what is heavy inside their functions, so that help, a wrong setting and a missing
file answer without importing torch.
"""
