"""Which of FaceMesh's 478 landmarks are lips, lids, brows and outline.

Lists of the upper and the lower lip, and of the upper and the lower lid, run over the same columns of the face, so entry i
of one is opposite entry i of the other.
"""
N_POINTS = 478
N_SKIN = 468  # the last ten are the irises

OUTLINE = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
           152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]

# From the rim of the mouth's opening outward: four rings of nine columns.
UPPER_LIP = [[191, 80, 81, 82, 13, 312, 311, 310, 415],
             [183, 42, 41, 38, 12, 268, 271, 272, 407],
             [184, 74, 73, 72, 11, 302, 303, 304, 408],
             [185, 40, 39, 37, 0, 267, 269, 270, 409]]
LOWER_LIP = [[95, 88, 178, 87, 14, 317, 402, 318, 324],
             [96, 89, 179, 86, 15, 316, 403, 319, 325],
             [77, 90, 180, 85, 16, 315, 404, 320, 307],
             [146, 91, 181, 84, 17, 314, 405, 321, 375]]
MOUTH_OPENING = [78, *UPPER_LIP[0], 308, *LOWER_LIP[0][::-1]]
MOUTH_CORNERS = [61, 291]

# Right eye of the person (left in the picture), then the left one.
UPPER_LID = [[246, 161, 160, 159, 158, 157, 173], [466, 388, 387, 386, 385, 384, 398]]
LOWER_LID = [[7, 163, 144, 145, 153, 154, 155], [249, 390, 373, 374, 380, 381, 382]]
UPPER_LID_FOLD = [[247, 30, 29, 27, 28, 56, 190], [467, 260, 259, 257, 258, 286, 414]]
EYE_CORNERS = [[33, 133], [263, 362]]  # outer, inner
EYE_OPENING = [[c[0], *up, c[1], *lo[::-1]] for c, up, lo in zip(EYE_CORNERS, UPPER_LID, LOWER_LID)]

INNER_BROW = [107, 55, 336, 285]
OUTER_BROW = [70, 46, 300, 276]

# Points that an expression hardly moves: they carry the head's pose.
RIGID = [33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 10, 151, 9,
         234, 454, 127, 356, 93, 323, 172, 397, 54, 284, 67, 297, 109, 338]
# Skin without hair or shadow: cheeks and forehead.
BARE_SKIN = [50, 280, 101, 330, 118, 347, 151, 9]
