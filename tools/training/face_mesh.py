"""FaceMesh landmarks of pictures, by mediapipe. Also a program, for a Python of its own where mediapipe's numpy is too old:

    python face_mesh.py PICTURES.npy LANDMARKS.npy
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ENLARGED, MARGIN = 320, 64  # small face crops are enlarged and framed: the detector was made for faces in scenes


def find(pictures):
    """Landmarks (n,478,3) of pictures (uint8, RGB), in their pixels; NaN where no face is found."""
    import cv2
    import mediapipe

    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=1, refine_landmarks=True,
                                                  min_detection_confidence=0.2)
    found = np.full((len(pictures), 478, 3), np.nan, np.float32)
    for row, picture in zip(found, pictures):
        scale, margin = (ENLARGED / picture.shape[0], MARGIN) if picture.shape[0] < ENLARGED else (1, 0)
        if margin:
            picture = cv2.resize(picture, (ENLARGED, ENLARGED), interpolation=cv2.INTER_CUBIC)
            picture = cv2.copyMakeBorder(picture, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
        faces = mesh.process(np.ascontiguousarray(picture)).multi_face_landmarks
        if faces:
            height, width = picture.shape[:2]
            points = np.array([[p.x * width, p.y * height, p.z * width] for p in faces[0].landmark])
            points[:, :2] -= margin
            row[:] = points / scale - [0.5, 0.5, 0]
    return found


def find_with(python, pictures):
    """The same in another Python; an empty name means this one."""
    if not python:
        return find(pictures)
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder) / name for name in ("pictures.npy", "landmarks.npy")]
        np.save(files[0], np.asarray(pictures))
        subprocess.run([python, __file__, *map(str, files)], check=True, stderr=subprocess.DEVNULL)
        return np.load(files[1])


if __name__ == "__main__":
    np.save(sys.argv[2], find(np.load(sys.argv[1], mmap_mode="r")))
