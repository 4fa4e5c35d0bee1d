"""The settings of a run by what they are about; `finetune.config` makes one flat record of them."""
