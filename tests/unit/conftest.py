from hypothesis import settings

# A machine that is busy with other tests is slow, not wrong.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
