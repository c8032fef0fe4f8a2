# Section 4.1 of the composite-localization paper names shearing, without an amount, for all of its
# trainings: the baselines of Figure 4 have it too.
shear = dict(type='RandomShear')
