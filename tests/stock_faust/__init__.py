"""What stock Faust makes of the same events: the reason why its consumer and tables are not used (`make faust`).

job        the same figures with Faust's own tables, as a Faust user would write them
tables     what the job reads, and what it does to its tables
load       events that flow at a steady rate
contender  what is asked of each kind of worker
stock      stock Faust, and how its tables are read
ours       `odr worker`, and how its figures are read
takeover   what is done to each: in full flow a second worker joins, then the first one leaves
compare    the program that does it and prints the table
"""
