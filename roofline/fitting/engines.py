"""stub"""
EngineFit = None
fit_engine = None
