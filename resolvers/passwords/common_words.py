"""Common words in passwords, which attackers guess first.

Chosen by hand from the patterns of the yearly lists of most-used passwords (SplashData 2011-2019, NordPass 2019-2024,
the UK NCSC's 100,000 most-breached passwords of 2019): a few hundred stems in lower case with at least 4 letters,
without the digits and signs that people add, and without what :mod:`~spacekey.resolvers.passwords.strength` detects
itself (keyboard walks, runs, dates, repetitions). Ordinary words are included only if those lists rank them near the
top.
"""

from __future__ import annotations

from functools import cache

_ABOUT_PASSWORDS = """
password passwort passwd passwrd passphrase passcode pass mypassword yourpassword newpassword oldpassword contrasena
senha motdepasse parola haslo wachtwoord parool secret topsecret mysecret private secure security letmein letmepass
opensesame openup changeme changethis changeit resetme temporary temp default guest login logon signin access account
admin administrator sysadmin root toor superuser superadmin operator user username test tester testing demo sample
example welcome welcometo hello helloworld whatever nothing anything something everything nopassword noaccess trustno1
trustnoone trustme thisismy thisisa thisisthe mynameis correcthorsebatterystaple enter unlock server database system
network computer laptop windows microsoft internet website gateway router cisco oracle mysql postgres linux ubuntu
debian apple macbook iphone android samsung google gmail yahoo hotmail outlook facebook instagram twitter youtube
linkedin myspace amazon netflix whatsapp minecraft fortnite roblox playstation xbox nintendo pokemon pikachu
counterstrike warcraft starcraft callofduty company office manager master webmaster service support student teacher
school college university backup dragonball abcd abc123 xyz123 asd123 qwe123 azerty zaqzaq lifehack blink182
"""

_AFFECTION = """
iloveyou iloveu iloveme iloveher ilovehim ilovemy ilove loveyou loveme lovely lover lovers love forever sweetheart
sweetie sweet sugar honey darling babygirl babyboy baby babe princess princesa prince queen angel angels angelo kisses
kissme hugsandkisses beautiful gorgeous pretty handsome sexy sexygirl tequiero teamo tequieromucho amor mylove mybaby
truelove bestfriend bestfriends friends friendship family mommy daddy mother father sister brother familia heart
hearts happy happiness smile smiley loveless heaven blessed bless godisgood jesus jesuschrist christ faith believe
destiny paradise freedom peace amen allah inshallah krishna buddha
"""

_CREATURES_AND_HEROES = """
dragon dragons monkey monkeys tiger tigers lion lions eagle eagles falcon falcons hawk panther panthers cowboy cowboys
wolf wolverine bulldog bulldogs dolphin dolphins horse horses kitten kittens kitty hellokitty puppy puppies doggy
butterfly turtle rabbit bunny bear bears teddybear penguin spider spiderman superman batman ironman wonderwoman hulk
joker avengers captain america superstar starwars startrek skywalker darthvader yoda matrix gandalf frodo hogwarts
harrypotter potter snoopy scooby scoobydoo mickey mickeymouse minnie donald goofy tinkerbell barbie elmo simba pikachu
naruto sasuke goku vegeta zelda mario luigi sonic lucifer demon devil ghost vampire zombie unicorn phoenix wizard
magic merlin ninja samurai warrior warriors knight soldier sniper shadow hunter killer ranger rangers viking vikings
spartan spartans pirate pirates rockstar
"""

_SPORT_AND_MUSIC = """
football baseball basketball softball volleyball soccer hockey tennis golf golfer golfing swimming cricket rugby
racing runner skater skateboard snowboard fishing hunting champion champions winner player gamer arsenal chelsea
liverpool manchester manutd manunited barcelona realmadrid juventus milan celtic everton tottenham newcastle benfica
bayern ronaldo messi beckham neymar jordan lakers yankees redsox steelers patriots packers raiders giants dodgers
broncos redskins phillies cubs metallica nirvana slipknot eminem tupac beatles greenday linkinpark blink acdc guitar
drummer music musica rocknroll hiphop dancer dancing singer rainbow
"""

_THINGS = """
sunshine sunflower flower flowers summer winter spring autumn season monday tuesday wednesday thursday friday saturday
sunday january february march april june july august september october november december christmas birthday weekend
holiday chocolate cookie cookies banana bananas cheese pepper orange apples cherry peaches strawberry pumpkin coffee
pizza chicken cupcake candy lollipop bubbles bubblegum purple yellow black silver golden diamond diamonds crystal
ginger jasmine midnight moonlight starlight stars star thunder lightning storm ocean river mountain sunset mustang
corvette ferrari porsche mercedes toyota honda yamaha kawasaki suzuki ducati harley chevy camaro jaguar dodge maverick
trucker racecar money moneymoney million millionaire dollar dollars casino poker lucky success power powers awesome
amazing cool crazy fuckyou fuckoff fuckme fuck asshole bitch bullshit biteme pussy hardcore playboy hottie babes porn
boobs bigdick dickhead
"""

_NAMES_AND_PLACES = """
michael michelle jessica jennifer ashley amanda daniel danielle charlie charles thomas andrew andrea anthony joshua
matthew justin robert william nicole nicolas nicholas samantha stephanie elizabeth victoria alexander alexandra alexis
christian christopher christina christine jonathan brandon benjamin natasha natalie patrick patricia richard rebecca
rachel melissa sabrina vanessa veronica isabella sophie hannah george maggie bailey buster tigger cooper rocky taylor
austin dakota carlos miguel antonio alejandro fernando gabriel gabriela daniela mariana valentina carolina sebastian
francesco giuseppe juliette martin martina oliver olivia steven stephen edward jackson cameron morgan murphy kimberly
lauren heather megan brittany tiffany london paris berlin amsterdam newyork chicago boston dallas houston california
texas florida canada american england ireland scotland germany deutschland france italia espana brasil mexico
argentina australia india pakistan philippines
"""

_LISTS = (_ABOUT_PASSWORDS, _AFFECTION, _CREATURES_AND_HEROES, _SPORT_AND_MUSIC, _THINGS, _NAMES_AND_PLACES)


@cache
def common_stems() -> frozenset[str]:
    """Return all stems."""
    return frozenset(word for one in _LISTS for word in one.split())
