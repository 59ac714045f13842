"""Run and judge a corpus of broken and fixed PyTorch convolutional networks."""
