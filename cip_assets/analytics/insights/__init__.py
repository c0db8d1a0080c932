"""The four questions: whether a monthly rate changed, and whether engagement predicts churn."""
