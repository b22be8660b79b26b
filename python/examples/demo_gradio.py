"""A page on this machine: a photo, a voice, the photo with the voice's emotion. pip install emoengine gradio"""

import gradio
import numpy as np

import emoengine

engine = emoengine.Engine()


def wear(photo: np.ndarray, voice: tuple[int, np.ndarray], intensity: float) -> tuple[np.ndarray, dict[str, float], str]:
    rate, waveform = voice
    try:
        result = engine.run(photo, waveform, rate, intensity=intensity, face="all")
    except emoengine.Error as error:
        raise gradio.Error(str(error)) from None
    return result.image, result.aus, f"{result.emotion.name} {result.emotion.strength:.2f}"


page = gradio.Interface(
    wear,
    inputs=[gradio.Image(label="Photo"), gradio.Audio(label="Voice"), gradio.Slider(0, 2, value=1, label="Intensity")],
    outputs=[gradio.Image(label="Result"), gradio.Label(label="Action units"), gradio.Textbox(label="Emotion")],
    title="emoengine",
)

if __name__ == "__main__":
    page.launch()
