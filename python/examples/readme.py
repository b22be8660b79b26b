import emoengine

engine = emoengine.Engine()  # the models travel in the wheel
result = engine.run("photo.jpg", "voice.wav")  # .image (H,W,3) uint8, .aus, .emotion, .faces
emoengine.write_picture("out.png", result.image)

smile = engine.generate(result.image, {"AU12": 1, "AU06": 0.8})  # also PIL pictures, tensors, order="bgr", out=
curve = engine.aus_per_frame("voice.wav", fps=25).to_pandas()  # a row a frame; engine.aus() for the whole clip

waveform = emoengine.read_sound("voice.wav", 16000)
for frame in engine.animate("photo.jpg", waveform, 16000, fps=25):
    ...
