"""From pixels to answers: a model's files, the engines that compute it, and its int8 form."""
